//! Settings: flags, environment, file; where each value came from.

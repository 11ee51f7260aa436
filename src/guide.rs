//! Known-issue guides: library, matcher, rendering. Pure.

//! Journal and history on disk.

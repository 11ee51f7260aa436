//! Plans, gate and undo of everything that changes the world. Pure.

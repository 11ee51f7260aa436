//! Weighs readings into probabilities of causes. Pure: no I/O, time or randomness.

//! State to cells; reads state, returns hit boxes, nothing else.

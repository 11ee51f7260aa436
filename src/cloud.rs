//! API 3.0 client of the cloud, and the cloud's facts as readings.

//! Commands, reports and exit statuses.

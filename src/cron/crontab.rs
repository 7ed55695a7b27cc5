//! A user's entries as a crontab, and a crontab as entries. What a client wrote
//! there is not believed: metadata is checked as if it came by the API.

//! Messages between client, scheduler and worker as plain enums, their versions and encoding.

"""The platform as processes: workers and their roles, embedded servers, supervision, and what `doctor` looks at."""

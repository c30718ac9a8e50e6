"""The console: pages for officials and auditors over what the API works with. How to add one: docs/console.md."""

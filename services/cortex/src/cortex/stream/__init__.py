"""What has changed, for pages that poll: contracts/cortex.md §2.11."""

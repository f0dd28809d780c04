"""Campaigns told to people and machines: a page, JUnit XML, Markdown, and a closing summary."""

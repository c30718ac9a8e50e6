"""The REST API: `/v1` over HTTP. Needs the extra api.

`application` puts it together from `parts`; `serving` opens and runs it; `guard` stands before everything; a router per
noun answers. What is decided and read is in agents: here are HTTP, forms and limits.
"""

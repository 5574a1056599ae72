"""One aiohttp application for everything that comes by HTTP."""

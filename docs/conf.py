"""How Sphinx builds the pages (``make docs``). Every option: Sphinx's and MyST's manuals, "Configuration"."""

from enforcer import __version__

project = "enforcer"
author = "the enforcer project"
version = release = __version__

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist", "attrs_block"]
# Anchors of headings down to this depth, as other pages and a forge's own view of Markdown know them.
myst_heading_anchors = 4
nitpicky = True

exclude_patterns = ["__pycache__"]
# Our nft and log samples are in no language that Pygments knows.
highlight_language = "text"

html_theme = "furo"
html_title = "enforcer"
html_static_path = ["static"]
html_css_files = ["pages.css"]
# What a reader's browser would fetch from elsewhere is nothing: no fonts, no scripts, no copies of our sources.
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False

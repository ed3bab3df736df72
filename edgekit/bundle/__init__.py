"""
Bundles: what is shipped, and nothing else; a deterministic `.tar.xz` whose manifest names every file.

`assemble.assemble` puts the parts of a project together (it needs the engine, so it is not imported here), `write_bundle`
writes them, `Bundle` opens what was written.
"""

from edgekit.bundle.contents import Contents, SizeRow, size_table
from edgekit.bundle.opened import Bundle
from edgekit.bundle.write import check_can_write, write_bundle

__all__ = ["Bundle", "Contents", "SizeRow", "check_can_write", "size_table", "write_bundle"]

"""Makes the package's enforcer.yaml from the commented example (standard input to standard output).

The package has folders of its own for what the daemon remembers, so what the example only shows is switched on;
and the list has the operator's name for it.
"""

import re
import sys

text = sys.stdin.read()
text, switched = re.subn(r"^( *)# (\w+: /var/(?:lib|log)/enforcer/)", r"\1\2", text, flags=re.MULTILINE)
text, named = re.subn(r"files: \[registry\.example\.csv\]", "files: [registry.csv]", text)
if not switched or named != 1:
    sys.exit("enforcer.example.yaml is not as debian/config.py knows it")
sys.stdout.write(text)

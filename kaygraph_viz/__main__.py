"""``python -m kaygraph_viz`` is the command ``kaygraph-viz``."""

import sys

from kaygraph_viz.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

"""The paper's figures of what was run here, one command each: SVG, PDF and PNG, with a caption."""

"""The figures of proto/: state machines, messages in their order, roles. Data in tables, drawn as SVG."""

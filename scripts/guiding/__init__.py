"""docs/operators-guide.md, followed on hosts that are network namespaces with a root directory each."""

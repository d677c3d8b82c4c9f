// Package config reads restaple's YAML file and says everything that is wrong
// with it at once, each with file, line and field, in the user's words. The
// annotated examples/config/restaple.yaml shows every key there is.
//
// The result holds checked values and no YAML. Only cmd/restaple knows it: it
// translates a Config into the options of the packages that do the work.
package config

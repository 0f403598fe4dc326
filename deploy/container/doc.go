// Package container makes the container image: Containerfile is what is in it, and `make
// image` has buildah build it, which needs no engine that runs. The test builds it, and
// runs the program in it as a container's runtime would: on the image's files alone, as
// its user, with the capabilities that it may have.
package container

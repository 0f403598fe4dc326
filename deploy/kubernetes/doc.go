// Package kubernetes has manifests for Kubernetes: sidecar is a pod with netstackd
// beside an application, daemonset is one netstackd on each node. The tests render them
// as kubectl apply -k does, decode them strictly into the types of Kubernetes and of the
// Prometheus operator, and have netstackd check the command lines in them.
//
// It is a module of its own, so that the forty modules of those types are no requirement
// of netstackd.
package kubernetes

package kubernetes

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// rendered is what a folder comes to.
type rendered struct {
	pod        core.PodTemplateSpec
	configs    map[string]core.ConfigMap
	namespaces []core.Namespace
	services   []core.Service
	service    []monitoring.ServiceMonitor
	pods       []monitoring.PodMonitor
}

// render renders a folder and decodes each object; a field that its type does not know is
// an error.
func render(t *testing.T, folder string) *rendered {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatal(err)
	}
	r := &rendered{configs: map[string]core.ConfigMap{}}
	for _, resource := range resources.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		decode := func(into any) {
			t.Helper()
			if err := yaml.UnmarshalStrict(text, into); err != nil {
				t.Fatalf("%s %s: %v", resource.GetKind(), resource.GetName(), err)
			}
		}
		switch kind := resource.GetApiVersion() + " " + resource.GetKind(); kind {
		case "v1 Pod":
			var pod core.Pod
			decode(&pod)
			r.pod.ObjectMeta, r.pod.Spec = pod.ObjectMeta, pod.Spec
		case "apps/v1 DaemonSet":
			var set apps.DaemonSet
			decode(&set)
			r.pod = set.Spec.Template
			r.pod.Namespace = set.Namespace
			if !covers(set.Spec.Selector.MatchLabels, r.pod.Labels) {
				t.Errorf("the DaemonSet selects %v, its pods are %v", set.Spec.Selector.MatchLabels, r.pod.Labels)
			}
		case "v1 ConfigMap":
			var c core.ConfigMap
			decode(&c)
			r.configs[c.Name] = c
		case "v1 Namespace":
			r.namespaces = append(r.namespaces, core.Namespace{})
			decode(&r.namespaces[len(r.namespaces)-1])
		case "v1 Service":
			r.services = append(r.services, core.Service{})
			decode(&r.services[len(r.services)-1])
		case "monitoring.coreos.com/v1 ServiceMonitor":
			r.service = append(r.service, monitoring.ServiceMonitor{})
			decode(&r.service[len(r.service)-1])
		case "monitoring.coreos.com/v1 PodMonitor":
			r.pods = append(r.pods, monitoring.PodMonitor{})
			decode(&r.pods[len(r.pods)-1])
		default:
			t.Errorf("a %s: what is to be checked of it?", kind)
		}
	}
	return r
}

// covers tells whether labels have all that a selector asks for, and it asks for some.
func covers(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return len(selector) > 0
}

// netstackd is the container that runs it.
func (r *rendered) netstackd(t *testing.T) *core.Container {
	t.Helper()
	all := append(slices.Clone(r.pod.Spec.InitContainers), r.pod.Spec.Containers...)
	for i := range all {
		if all[i].Name == "netstackd" {
			return &all[i]
		}
	}
	t.Fatal("no container is called netstackd")
	return nil
}

func TestSidecar(t *testing.T) {
	r := render(t, "sidecar")
	c := r.netstackd(t)
	if c.RestartPolicy == nil || *c.RestartPolicy != core.ContainerRestartPolicyAlways {
		t.Error("netstackd is no sidecar: an init container that is always restarted")
	}
	if r.pod.Spec.HostNetwork {
		t.Error("the pod is in the node's network")
	}
	check(t, r, c)
	if len(r.pods) != 1 || len(r.service) != 0 {
		t.Fatalf("%d PodMonitors, %d ServiceMonitors", len(r.pods), len(r.service))
	}
	m := r.pods[0].Spec
	if !covers(m.Selector.MatchLabels, r.pod.Labels) {
		t.Errorf("the PodMonitor selects %v, the pod is %v", m.Selector.MatchLabels, r.pod.Labels)
	}
	for _, e := range m.PodMetricsEndpoints {
		scraped(t, r, c, *e.Port, &e.HTTPConfigWithProxy.HTTPConfig.HTTPConfigWithoutTLS)
	}
}

func TestDaemonSet(t *testing.T) {
	r := render(t, "daemonset")
	c := r.netstackd(t)
	check(t, r, c)
	if len(r.namespaces) != 1 || r.namespaces[0].Name != r.pod.Namespace {
		t.Errorf("namespaces %v, the pods are in %q", r.namespaces, r.pod.Namespace)
	}
	if len(r.service) != 1 || len(r.services) != 1 || len(r.pods) != 0 {
		t.Fatalf("%d ServiceMonitors of %d Services, %d PodMonitors", len(r.service), len(r.services), len(r.pods))
	}
	service, m := r.services[0], r.service[0].Spec
	switch {
	case !covers(service.Spec.Selector, r.pod.Labels):
		t.Errorf("the Service selects %v, the pods are %v", service.Spec.Selector, r.pod.Labels)
	case !covers(m.Selector.MatchLabels, service.Labels):
		t.Errorf("the ServiceMonitor selects %v, the Service is %v", m.Selector.MatchLabels, service.Labels)
	case len(service.Spec.Ports) != 1 || len(m.Endpoints) != 1 || m.Endpoints[0].Port != service.Spec.Ports[0].Name:
		t.Errorf("the ServiceMonitor scrapes %v, the Service has %v", m.Endpoints, service.Spec.Ports)
	}
	e := m.Endpoints[0]
	scraped(t, r, c, service.Spec.Ports[0].TargetPort.StrVal, &e.HTTPConfigWithProxyAndTLSFiles.HTTPConfigWithTLSFiles.HTTPConfigWithoutTLS)
}

// scraped wants a port of the container scraped, with the token that the pod has.
func scraped(t *testing.T, r *rendered, c *core.Container, port string, how *monitoring.HTTPConfigWithoutTLS) {
	t.Helper()
	if !slices.ContainsFunc(c.Ports, func(p core.ContainerPort) bool { return p.Name == port }) {
		t.Errorf("port %q is scraped, the container has %v", port, c.Ports)
	}
	token := ""
	for _, v := range r.pod.Spec.Volumes {
		if v.Secret != nil {
			token = v.Secret.SecretName
		}
	}
	if a := how.Authorization; a == nil || a.Credentials == nil || a.Credentials.Name != token || a.Credentials.Key != "token" {
		t.Errorf("scraped with %v, the pod's token is in %q", a, token)
	}
}

// check wants of a pod what the documents say of it.
func check(t *testing.T, r *rendered, c *core.Container) {
	t.Helper()
	pod := r.pod.Spec.SecurityContext
	if pod == nil || pod.RunAsNonRoot == nil || !*pod.RunAsNonRoot || pod.RunAsUser == nil || *pod.RunAsUser != 65532 ||
		pod.SeccompProfile == nil || pod.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
		t.Errorf("the pod's security context: %+v", pod)
	}
	s := c.SecurityContext
	switch {
	case s == nil || s.Capabilities == nil:
		t.Fatalf("the container's security context: %+v", s)
	case !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) || !slices.Equal(s.Capabilities.Add, []core.Capability{"NET_ADMIN"}):
		t.Errorf("capabilities %+v", s.Capabilities)
	case s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem || s.Privileged != nil:
		t.Errorf("the container may do more than it has to: %+v", s)
	case s.AllowPrivilegeEscalation == nil || !*s.AllowPrivilegeEscalation:
		t.Error("the file's capability is not given where privileges cannot be gained")
	}
	for name, p := range map[string]*core.Probe{"/readyz": c.StartupProbe, "/healthz": c.LivenessProbe, "/readyz ": c.ReadinessProbe} {
		if p == nil || p.HTTPGet == nil || p.HTTPGet.Path != strings.TrimSpace(name) ||
			!slices.ContainsFunc(c.Ports, func(port core.ContainerPort) bool { return port.Name == p.HTTPGet.Port.StrVal }) {
			t.Errorf("probe of %s: %+v", name, p)
		}
	}
	mounted := map[string]core.Volume{}
	for _, m := range c.VolumeMounts {
		for _, v := range r.pod.Spec.Volumes {
			if v.Name == m.Name {
				mounted[m.MountPath] = v
			}
		}
	}
	if len(mounted) != len(c.VolumeMounts) {
		t.Errorf("mounts %v, volumes %v", c.VolumeMounts, r.pod.Spec.Volumes)
	}
	device := mounted["/dev/net/tun"].HostPath
	if device == nil || device.Path != "/dev/net/tun" || device.Type == nil || *device.Type != core.HostPathCharDev {
		t.Errorf("the device: %+v", device)
	}
	if c.Image != "registry.example/netstackd:latest" {
		t.Errorf("image %q", c.Image)
	}
	checkCommand(t, r, c, mounted)
}

// checkCommand has netstackd check the command line, with the files that it would find.
func checkCommand(t *testing.T, r *rendered, c *core.Container, mounted map[string]core.Volume) {
	t.Helper()
	dir := t.TempDir()
	line := strings.ReplaceAll(strings.Join(c.Args, "\n"), "$(NODE_IP)", "192.0.2.1")
	for path, v := range mounted {
		files := map[string]string{}
		switch {
		case v.Secret != nil:
			files["token"] = strings.Repeat("0123456789abcdef", 4)
		case v.ConfigMap != nil:
			files = r.configs[v.ConfigMap.Name].Data
			if len(files) == 0 {
				t.Errorf("no ConfigMap %s", v.ConfigMap.Name)
			}
		}
		for name, text := range files {
			file := filepath.Join(dir, name)
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			line = strings.ReplaceAll(line, path+"/"+name, file)
		}
	}
	binary := filepath.Join(dir, "netstackd")
	build := exec.Command("go", "build", "-o", binary, "./cmd/netstackd")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build netstackd: %v\n%s", err, out)
	}
	out, err := exec.Command(binary, append(strings.Split(line, "\n"), "-check-config")...).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("trace: compare")) {
		t.Errorf("%q: %v\n%s", line, err, out)
	}
}

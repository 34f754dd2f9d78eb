package main

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v3"
)

// workload is what this test knows of a StatefulSet or a DaemonSet.
type workload struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct{ Name string }
	Data       map[string]string
	Spec       struct {
		Selector map[string]any
		Template struct {
			Metadata struct{ Labels map[string]any }
			Spec     struct {
				Containers []struct {
					Args         []string
					Ports        []struct{ Name string }
					VolumeMounts []struct{ Name string } `yaml:"volumeMounts"`
					Readiness    probe                   `yaml:"readinessProbe"`
					Liveness     probe                   `yaml:"livenessProbe"`
				}
				Volumes []struct {
					Name      string
					ConfigMap *struct{ Name string } `yaml:"configMap"`
				}
			}
		}
		VolumeClaimTemplates []struct{ Metadata struct{ Name string } } `yaml:"volumeClaimTemplates"`
	}
}

type probe struct {
	Page probePage `yaml:"httpGet"`
}

type probePage struct{ Path, Port string }

// The manifest for Kubernetes holds together: what it names is there, and sysvipcd
// starts with the arguments and the bridges that it has, and answers the probes.
func TestKubernetesManifest(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../examples/cluster/kubernetes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	configs, labels := map[string]map[string]string{}, map[string]bool{}
	var all []workload
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var w workload
		if err := d.Decode(&w); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
		if w.Kind == "ConfigMap" {
			configs[w.Metadata.Name] = w.Data
		}
		if app, ok := w.Spec.Template.Metadata.Labels["app"].(string); ok {
			labels[app] = true
		}
	}
	if len(all) != 6 || len(labels) != 2 {
		t.Fatalf("there are %d documents, with pods of %v", len(all), labels)
	}
	var args []string
	for _, w := range all {
		where := w.Kind + " " + w.Metadata.Name
		if w.Kind == "ConfigMap" {
			continue
		}
		selector := w.Spec.Selector
		if match, ok := selector["matchLabels"].(map[string]any); ok {
			selector = match
		}
		if app, _ := selector["app"].(string); !labels[app] {
			t.Errorf("%s selects %v, which no pod has", where, selector)
		}
		volumes := map[string]bool{}
		for _, c := range w.Spec.VolumeClaimTemplates {
			volumes[c.Metadata.Name] = true
		}
		for _, v := range w.Spec.Template.Spec.Volumes {
			volumes[v.Name] = true
			if v.ConfigMap != nil && configs[v.ConfigMap.Name] == nil {
				t.Errorf("%s has no ConfigMap %s", where, v.ConfigMap.Name)
			}
		}
		for _, c := range w.Spec.Template.Spec.Containers {
			for _, m := range c.VolumeMounts {
				if !volumes[m.Name] {
					t.Errorf("%s mounts %s of %v", where, m.Name, slices.Sorted(maps.Keys(volumes)))
				}
			}
			for _, p := range []probePage{c.Readiness.Page, c.Liveness.Page} {
				if !slices.ContainsFunc(c.Ports, func(port struct{ Name string }) bool { return port.Name == p.Port }) {
					t.Errorf("%s is probed at %q, and has %v", where, p.Port, c.Ports)
				}
			}
			if w.Kind == "DaemonSet" {
				args = c.Args
			}
		}
	}
	file, address := filepath.Join(t.TempDir(), "bridges.yaml"), free(t)
	if err := os.WriteFile(file, []byte(configs["bridges"]["bridges.yaml"]), 0o600); err != nil {
		t.Fatal(err)
	}
	for flag, here := range map[string]string{"--config": file, "--nats": nats(t), "--state": t.TempDir(), "--http": address} {
		i := slices.Index(args, flag)
		if i < 0 || i+1 == len(args) || strings.HasPrefix(args[i+1], "-") {
			t.Fatalf("sysvipcd has the arguments %q, without %s", args, flag)
		}
		args[i+1] = here
	}
	p := start(t, args...)
	until(t, "it lives", func() bool { code, _ := fetch("http://" + address + "/healthz"); return code == 200 })
	if code, _ := fetch("http://" + address + "/readyz"); code == 0 || code == 404 {
		t.Errorf("/readyz is answered %d", code)
	}
	p.Process.Signal(syscall.SIGTERM)
	p.code(t, 0)
}

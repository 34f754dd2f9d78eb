package inspect

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// engineNames looks up what a container and its pod are called, in the files that Docker and Kubernetes keep below root:
// "web", or "pod:shop/orders-7d4b" and "orders". A container has no name where this user may not read them.
//
//	/var/lib/docker/containers/0123…/config.v2.json  has "Name":"/web"
//	/var/log/containers/orders-7d4b_shop_orders-0123….log
func engineNames(root, container string) (names []string) {
	_, id, ok := strings.Cut(container, ":")
	if !ok || len(id) != 12 || strings.Trim(id, "0123456789abcdef") != "" {
		return nil
	}
	configs, _ := filepath.Glob(filepath.Join(root, "var/lib/docker/containers", id+"*", "config.v2.json"))
	for _, path := range configs {
		var config struct{ Name string }
		if text, err := os.ReadFile(path); err == nil && json.Unmarshal(text, &config) == nil {
			names = append(names, strings.TrimPrefix(config.Name, "/"))
		}
	}
	logs, _ := filepath.Glob(filepath.Join(root, "var/log/containers", "*-"+id+"*.log"))
	for _, path := range logs {
		if parts := strings.SplitN(filepath.Base(path), "_", 3); len(parts) == 3 {
			name, _, _ := strings.Cut(parts[2], "-"+id)
			names = append(names, "pod:"+parts[1]+"/"+parts[0], name)
		}
	}
	return names
}

// podPart is the part of a path of control groups that names a pod by its UID: "kubepods-burstable-pod0123_….slice", "pod0123-…".
var podPart = regexp.MustCompile(`(?:^|[/-])pod([0-9a-f]{8}[-_][0-9a-f_-]{27})(?:\.slice)?(?:/|$)`)

// podOf finds the pod in /proc/PID/cgroup, by its UID: "pod:01234567-…"; "" if there is none.
func podOf(cgroup []byte) string {
	for line := range bytes.Lines(cgroup) {
		if m := podPart.FindSubmatch(bytes.TrimSpace(line)); m != nil {
			return "pod:" + strings.ReplaceAll(string(m[1]), "_", "-")
		}
	}
	return ""
}

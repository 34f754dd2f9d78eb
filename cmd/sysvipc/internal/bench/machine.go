package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc/internal/output"
)

// lookAt describes the machine, whose processors this process may use.
func lookAt(cpus []int) output.Bench {
	b := output.Bench{Time: time.Now().UTC().Truncate(time.Second), Arch: runtime.GOARCH, Processors: cpus, Same: cpus[:1]}
	if len(cpus) > 1 {
		b.Other = cpus[:2]
	}
	note := func(name string, known bool) {
		if !known {
			b.Unknown = append(b.Unknown, name)
		}
	}
	b.Kernel = read("/proc/sys/kernel/osrelease")
	info := read("/proc/cpuinfo")
	b.Processor = output.OrNil(field(info, "model name"))
	note("processor", b.Processor != nil)
	if flags := field(info, "flags"); flags != "" {
		virtual := slices.Contains(strings.Fields(flags), "hypervisor")
		b.Virtual = &virtual
	}
	note("virtual", b.Virtual != nil)
	if len(b.Other) == 2 {
		if list := read(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpus[0])); list != "" {
			siblings := inList(list, cpus[1])
			b.Siblings = &siblings
		}
		note("siblings", b.Siblings != nil)
	}
	flaws, _ := filepath.Glob("/sys/devices/system/cpu/vulnerabilities/*")
	for _, f := range flaws {
		if text := read(f); strings.HasPrefix(text, "Mitigation") {
			b.Mitigations = append(b.Mitigations, filepath.Base(f)+": "+strings.TrimPrefix(text, "Mitigation: "))
		}
	}
	note("mitigations", len(flaws) > 0)
	b.Governor = output.OrNil(read(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpus[0])))
	b.Quota = quota()
	b.Limits = limits()
	b.Load = load()
	note("load", b.Load != nil)
	return b
}

// read returns a file's text without the last newline, or "".
func read(name string) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// field returns the first line of that name in /proc/cpuinfo.
func field(info, name string) string {
	for line := range strings.Lines(info) {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// inList reports whether "0-1,4" has a number.
func inList(list string, n int) bool {
	for part := range strings.SplitSeq(list, ",") {
		first, last, ranged := strings.Cut(part, "-")
		a, err := strconv.Atoi(first)
		b := a
		if ranged {
			b, _ = strconv.Atoi(last)
		}
		if err == nil && a <= n && n <= b {
			return true
		}
	}
	return false
}

// quota is how many processors the cgroups of this process allow, or nil.
func quota() *float64 {
	_, group, ok := strings.Cut(read("/proc/self/cgroup"), "0::")
	if !ok {
		return nil
	}
	group, _, _ = strings.Cut(group, "\n")
	var least *float64
	for dir := filepath.Join("/sys/fs/cgroup", group); len(dir) >= len("/sys/fs/cgroup"); dir = filepath.Dir(dir) {
		allowed, period, ok := strings.Cut(read(filepath.Join(dir, "cpu.max")), " ")
		a, err := strconv.ParseFloat(allowed, 64)
		p, err2 := strconv.ParseFloat(period, 64)
		if q := a / p; ok && err == nil && err2 == nil && (least == nil || q < *least) {
			least = &q
		}
	}
	return least
}

func load() *float64 {
	first, _, _ := strings.Cut(read("/proc/loadavg"), " ")
	l, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return nil
	}
	return &l
}

// describe is the machine in a line.
func describe(b *output.Bench) string {
	words := []string{b.Time.Format("2 January 2006"), "Linux " + b.Kernel + " on " + b.Arch}
	if b.Processor != nil {
		words = append(words, *b.Processor)
	}
	words = append(words, fmt.Sprintf("%d processors to run on", len(b.Processors)))
	if b.Virtual != nil && *b.Virtual {
		words = append(words, "virtual")
	}
	if b.Siblings != nil && *b.Siblings {
		words = append(words, "the two are threads of one core")
	}
	if b.Governor != nil {
		words = append(words, "governor "+*b.Governor)
	}
	if b.Quota != nil {
		words = append(words, fmt.Sprintf("quota of %.2g processors", *b.Quota))
	}
	if b.Load != nil && b.LoadAfter != nil {
		words = append(words, fmt.Sprintf("load %.1f before and %.1f after", *b.Load, *b.LoadAfter))
	}
	words = append(words, fmt.Sprintf("%.0f s", b.Seconds))
	text := strings.Join(words, "; ")
	if len(b.Mitigations) > 0 {
		text += "\nmitigations: " + strings.Join(b.Mitigations, "; ")
	}
	return text
}

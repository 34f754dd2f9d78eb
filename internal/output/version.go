package output

import (
	"runtime"
	"runtime/debug"
	"strings"
)

// Version is what "version" tells. What the program was not built with is nil.
type Version struct {
	Program  string  `json:"program"`
	Version  *string `json:"version"`
	Revision *string `json:"revision"`
	Go       string  `json:"go"`
	OS       string  `json:"os"`
	Arch     string  `json:"arch"`
}

// BuiltVersion is what this program was built of.
func BuiltVersion(program string) *Version {
	v := &Version{Program: program, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Version = OrNil(info.Main.Version)
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Revision = OrNil(s.Value)
			}
		}
	}
	return v
}

// String is the version as a line of text.
func (v *Version) String() string {
	words := []string{v.Program, "unknown", v.Go, v.OS + "/" + v.Arch}
	if v.Version != nil {
		words[1] = *v.Version
	}
	if v.Revision != nil {
		words[1] += " " + *v.Revision
	}
	return strings.Join(words, " ")
}

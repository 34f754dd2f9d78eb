package region

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/shared"
	"github.com/sysvipc/sysvipc/shared/dynamic"
)

// place is where a region lies: in a segment, or in a file.
type place struct {
	seg  *sysvipc.Segment
	name string // that it must have, or ""
	path string // of the file
}

// find finds the place of a REGION.
func find(arg string) (p place, err error) {
	object := arg
	if strings.HasPrefix(arg, ref.NamespacePrefix) {
		_, object, _ = strings.Cut(arg, "/")
	}
	front, rest, ok := strings.Cut(object, ":")
	kind, known := ref.KindOf(front)
	switch {
	case arg == "" || arg == "file:":
		return p, cli.Usage("the name of the region is empty")
	case ok && front == "file":
		return place{path: rest}, nil
	case ok && known && kind != sysvipc.KindSegment:
		return p, cli.Usage("a region lies in a segment (shm:…), and %s is a %s", arg, kind)
	case ok && known:
		r, err := ref.Parse(arg)
		if err != nil {
			return p, err
		}
		id, err := r.Find()
		return place{seg: sysvipc.SegmentByID(id)}, err
	case strings.Contains(arg, "/"):
		return place{path: arg}, nil
	}
	p = place{name: arg}
	p.seg, err = sysvipc.OpenSegment(sysvipc.KeyOf(arg))
	if errors.Is(err, fs.ErrNotExist) {
		return p, cli.Fail(cli.ExitNotFound, "no region is called %q (\"sysvipc region ls\" shows those that there are)", arg)
	}
	return p, err
}

// ref is how the place is named in output.
func (p place) ref() string {
	if p.seg == nil {
		return "file:" + p.path
	}
	return ref.Name(sysvipc.KindSegment, p.seg.ID())
}

// look attaches the region for reading.
func (p place) look() (*dynamic.Observer, error) {
	if p.seg == nil {
		return dynamic.LookFile(p.path)
	}
	o, err := dynamic.Look(p.seg)
	if err != nil {
		return nil, err
	}
	info, err := o.Info()
	if err == nil && p.name != "" && info.Name != p.name {
		err = cli.Fail(cli.ExitNotFound, "no region is called %q: %s, which has the same key, is region %q", p.name, p.ref(), info.Name)
	}
	if err != nil {
		_ = o.Close()
		return nil, err
	}
	return o, nil
}

// lookAt attaches a region for reading.
func lookAt(arg string) (*dynamic.Observer, error) {
	p, err := find(arg)
	if err != nil {
		return nil, err
	}
	return p.look()
}

// join takes part in a region.
func join(cmd *cobra.Command, arg string) (r *shared.Region, err error) {
	p, err := find(arg)
	switch {
	case err != nil:
		return nil, err
	case p.seg == nil:
		return shared.OpenFile(cmd.Context(), p.path)
	case p.name != "":
		r, err = shared.Open(cmd.Context(), p.name)
	default:
		r, err = shared.Join(cmd.Context(), p.seg)
	}
	if errors.Is(err, fs.ErrPermission) {
		if o, lookErr := dynamic.Look(p.seg); lookErr == nil {
			_ = o.Close()
			return nil, fmt.Errorf("%s: this user may read the region and not write to it, and who writes, receives or waits does: %w", terminal.Escape(arg), fs.ErrPermission)
		}
	}
	return r, err
}

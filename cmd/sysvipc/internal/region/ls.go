package region

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/shared"
	"github.com/sysvipc/sysvipc/shared/dynamic"
)

func newLs() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the regions of this machine",
		Long: `List the segments that are regions of package shared: those with a key that begin as one.

To find that out, each segment that has a key and that this user may read is attached for
a moment, read-only: the kernel notes the time and our pid (attached, detached, lpid).
"sysvipc ls" changes nothing.`,
		Example: `  sysvipc region ls
  sysvipc region ls -o json`,
		Args:              verb.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              inRegion(func(cmd *cobra.Command, _ []string) error { return runLs(cmd, format) }),
	}
	flags.Output(cmd, &format, "table", "json", "name")
	return cmd
}

// summary is what ls says of a region.
type summary struct {
	ref          string
	info         shared.Info
	structures   int
	participants int
	dead         int // participants that were killed and are not reaped
}

func runLs(cmd *cobra.Command, format string) error {
	lines, warnings, err := listRegions()
	if err != nil {
		return err
	}
	switch w := cmd.OutOrStdout(); format {
	case "json":
		d := output.StartDocument(w, "regions")
		for _, l := range lines {
			d.Add(l.region())
		}
		err = d.End(warnings)
	case "name":
		for _, l := range lines {
			fmt.Fprintln(w, l.ref)
		}
	default:
		if len(lines) == 0 {
			fmt.Fprintln(cmd.ErrOrStderr(), "no regions")
			break
		}
		t := output.NewTable(output.Left("REGION"), output.Left("NAME"), output.Right("SIZE"), output.Right("USED"), output.Right("STRUCTURES"), output.Right("PROCESSES"), output.Right("AGE"))
		for _, l := range lines {
			name := terminal.Escape(l.info.Name)
			if name == "" {
				name = "-"
			}
			for _, cell := range []string{
				l.ref, name, arg.FormatSize(l.info.Size), arg.FormatSize(l.info.Used),
				strconv.Itoa(l.structures), strconv.Itoa(l.participants), arg.FormatAge(max(int64(time.Since(l.info.Created).Seconds()), 0)),
			} {
				t.Add(cell)
			}
		}
		err = t.Write(w)
	}
	for _, text := range warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "sysvipc: "+text)
	}
	return err
}

// listRegions looks at each segment that has a key: what cannot be read is a warning.
func listRegions() (lines []summary, warnings []string, err error) {
	for st, err := range sysvipc.Segments() {
		if err != nil {
			return lines, warnings, err
		}
		if st.Key == sysvipc.Private || st.Size < 1024 || st.Destroyed {
			continue
		}
		line, err := lookSummary(st.ID)
		switch {
		case err == nil:
			lines = append(lines, line)
		case errors.Is(err, fs.ErrPermission):
			warnings = append(warnings, fmt.Sprintf("shm:%d may be a region: this user may not read it", st.ID))
		case errors.Is(err, shared.ErrNoRegion), errors.Is(err, sysvipc.ErrRemoved), errors.Is(err, fs.ErrNotExist):
		default:
			warnings = append(warnings, plainError{err}.Error())
		}
	}
	return lines, warnings, nil
}

func lookSummary(id int) (summary, error) {
	p := place{seg: sysvipc.SegmentByID(id)}
	o, err := p.look()
	if err != nil {
		return summary{}, err
	}
	defer o.Close()
	return lineOf(o, p.ref())
}

func lineOf(o *dynamic.Observer, ref string) (l summary, err error) {
	l.ref = ref
	if l.info, err = o.Info(); err != nil {
		return l, err
	}
	structures, err := o.All()
	if err != nil {
		return l, err
	}
	all, err := o.Participants()
	for _, p := range all {
		if p.Alive {
			l.participants++
		} else {
			l.dead++
		}
	}
	l.structures = len(structures)
	return l, err
}

// region is the JSON of a line.
func (l *summary) region() *output.Region {
	return &output.Region{
		Ref: l.ref, Name: output.OrNil(l.info.Name), Size: l.info.Size, Used: l.info.Used,
		StructureCount: l.structures, MaxStructures: l.info.Entries,
		ProcessCount: l.participants, DeadCount: l.dead, MaxProcesses: l.info.Participants, Created: l.info.Created,
	}
}

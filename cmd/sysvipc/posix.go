package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
)

// checkPosix refuses what "ls posix" does not have.
func checkPosix(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return cli.Usage("posix stands alone: \"sysvipc ls posix\" lists the objects of POSIX IPC")
	}
	for _, name := range []string{"columns", "sort", "filter", "mine", "orphans", "users", "ns", "owner"} {
		if cmd.Flags().Changed(name) {
			return cli.Usage("--%s is not for posix, which has --output and --bytes", name)
		}
	}
	return nil
}

// runPosix is "ls posix".
func runPosix(cmd *cobra.Command, format *listing.Format) error {
	posix, err := inspect.Posix(cmd.Context())
	if err != nil {
		return err
	}
	v, w := listing.NewView(), cmd.OutOrStdout()
	switch format.Name {
	case "json":
		d := output.StartDocument(w, "objects")
		for i := range posix.All {
			d.Add(publishedPosix(v, &posix.All[i], posix.Complete))
		}
		err = d.End(posix.Warnings)
	case "name":
		for _, o := range posix.All {
			fmt.Fprintln(w, terminal.Escape(o.Name))
		}
	case "table", "wide":
		err = writePosix(cmd, v, posix, format.Exact)
	default:
		return cli.Usage("-o %s is not for posix: choose table, json or name", format.Name)
	}
	if err != nil || posix.Complete {
		return err
	}
	text := "not all can be seen: " + terminal.Escape(strings.Join(posix.Warnings, "; "))
	if os.Geteuid() != 0 {
		return cli.Fail(cli.ExitNotPermitted, "%s", text)
	}
	if format.Name != "json" {
		fmt.Fprintln(cmd.ErrOrStderr(), "sysvipc: "+text)
	}
	return nil
}

func writePosix(cmd *cobra.Command, v *listing.View, posix *inspect.PosixObjects, exact bool) error {
	t := output.NewTable(output.Left("NAME"), output.Left("TYPE"), output.Right("SIZE"), output.Right("VALUE"), output.Left("MODE"),
		output.Left("OWNER"), output.Right("AGE"), output.Left("USERS"))
	for i := range posix.All {
		o := &posix.All[i]
		size, value, users := "?", "-", "-"
		switch {
		case o.Size >= 0 && exact:
			size = strconv.FormatInt(o.Size, 10)
		case o.Size >= 0:
			size = arg.FormatSize(o.Size)
		}
		switch {
		case o.Value != nil:
			value = strconv.Itoa(*o.Value)
		case o.Type == "sem":
			value = "?"
		}
		var names []string
		for _, p := range o.Users {
			names = append(names, fmt.Sprintf("%d (%s)", p.PID, p.Comm))
		}
		if len(names) > 0 {
			users = terminal.Escape(strings.Join(names, ", "))
		}
		for _, cell := range []string{
			terminal.Escape(o.Name), o.Type, size, value, fmt.Sprintf("%04o", o.Mode), v.Users.Text(o.UID),
			arg.FormatAge(max(0, int64(v.Now.Sub(o.Modified)/time.Second))), users,
		} {
			t.Add(cell)
		}
	}
	return t.Write(cmd.OutOrStdout())
}

// publishedPosix is the JSON of an object.
func publishedPosix(v *listing.View, o *inspect.PosixObject, complete bool) *output.PosixObject {
	out := &output.PosixObject{
		Name: o.Name, Type: o.Type, Path: o.Path, Value: o.Value, Mode: uint32(o.Mode), ModeStr: o.Mode.String()[1:],
		UID: o.UID, Owner: output.OrNil(v.Users.Name(o.UID)), GID: o.GID, Group: output.OrNil(v.Group(o.GID)),
		Modified: o.Modified, Age: max(0, int64(v.Now.Sub(o.Modified)/time.Second)),
	}
	if o.Size >= 0 {
		out.Size = &o.Size
	} else {
		out.Unknown = append(out.Unknown, "size")
	}
	if o.Type == "sem" && o.Value == nil {
		out.Unknown = append(out.Unknown, "value")
	}
	if !complete {
		out.Unknown = append(out.Unknown, "users")
	}
	for _, p := range o.Users {
		u := output.PosixUser{PID: p.PID, Comm: p.Comm}
		if p.UID >= 0 {
			u.UID = &p.UID
		}
		out.Users = append(out.Users, u)
	}
	return out
}

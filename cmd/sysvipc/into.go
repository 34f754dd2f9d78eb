package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/archive"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/guard"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/removal"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/sem"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
)

// intoObject is "restore --into": an object that exists gets the contents of one in the file. The file is read to its end
// before anything is changed, so a damaged one changes nothing.
func (d *restoring) intoObject() error {
	if d.file == "-" {
		return cli.Usage("--into reads the file before it changes anything: it cannot be standard input")
	}
	if len(d.wanted) > 1 {
		return cli.Usage("--into is for one object: --only names one")
	}
	refs, err := ref.ParseAll(d.Cmd, []string{d.into}, ref.AnyKind...)
	if err != nil {
		return err
	}
	if len(refs) != 1 {
		return cli.Usage("--into is for one object")
	}
	id, err := refs[0].Find()
	if err != nil {
		return err
	}
	now, err := listing.Stat(refs[0].Kind, id)
	if err != nil {
		return err
	}
	from, err := d.from(&now)
	if err == nil {
		err = d.fits(from, &now)
	}
	if err != nil {
		return err
	}
	r := removal.Removal{Program: removal.Into, None: d.noBackup, Keep: removal.DefaultKeep}
	target := &inspect.Object{Object: *now.Object, Segment: now.Segment, Set: now.Set, Queue: now.Queue}
	if !d.force {
		snap, err := inspect.Take(d.Cmd.Context(), nil)
		if err != nil {
			return err
		}
		if target = snap.Object(now.Kind, id); target == nil {
			return cli.Fail(cli.ExitRefused, "it came or went while this was looking: try again")
		}
		if err := guard.Check(snap, target); err != nil {
			return guard.OrForce(fmt.Errorf("%s keeps its contents: %w", d.into, err), "replaces them")
		}
		r.May = guard.Check
	}
	outcome := "would restore"
	if !d.dryRun {
		outcome = "restored"
		r.Do = func(*inspect.Object) error { return d.write(from, id) }
		var failed error
		err := r.Run(d.Cmd.Context(), []*inspect.Object{target}, func(_ *inspect.Object, err error) {
			if errors.Is(err, inspect.ErrChanged) {
				err = cli.Fail(cli.ExitRefused, "%w", err)
			}
			failed = err
		})
		if err = cmp.Or(err, failed); err != nil {
			return fmt.Errorf("%s: %w", d.into, err)
		}
	}
	return d.tellInto(from, ref.Name(now.Kind, id), outcome, r.Saved)
}

// each calls use with each object of the file, until it returns false.
func (d *restoring) each(use func(*archive.Reader, *archive.Object) (bool, error)) error {
	in, _, err := d.open()
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := archive.NewReader(io.Reader(in))
	if err != nil {
		return fmt.Errorf("%s: %w", d.name(), err)
	}
	for o, err := range r.Objects() {
		more := false
		if err == nil {
			more, err = use(r, o)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", d.name(), err)
		}
		if !more {
			break
		}
	}
	return nil
}

// from chooses the object of the file, whose contents are whole.
func (d *restoring) from(now *listing.Entry) (*archive.Object, error) {
	var found *archive.Object
	best, several := 0, false
	err := d.each(func(r *archive.Reader, o *archive.Object) (bool, error) {
		if o.SysvKind() != now.Kind || len(d.wanted) > 0 && !d.wants(o) {
			return true, nil
		}
		rank := 1
		switch {
		case o.Key != 0 && o.SysvKey() == now.Key:
			rank = 3
		case o.ID == now.ID:
			rank = 2
		}
		if err := r.Content(true, func(int64, []byte) error { return d.Cmd.Context().Err() }); err != nil {
			return false, err
		}
		several = rank == best || several && rank < best
		if rank > best {
			found, best = o, rank
		}
		return true, nil
	})
	switch {
	case err != nil:
		return nil, err
	case found == nil:
		return nil, cli.Fail(cli.ExitNotFound, "%s has no such %s", d.name(), now.Kind)
	case several:
		return nil, cli.Usage("%s has several that %s could get: name one with --only", d.name(), d.into)
	}
	return found, nil
}

// fits refuses contents for which the object has no room, or another size.
func (d *restoring) fits(from *archive.Object, now *listing.Entry) error {
	differ := func(unit string, has, want int64) error {
		if has == want {
			return nil
		}
		return cli.Fail(cli.ExitRefused, "%s has %d %s, and %s in %s has %d", d.into, has, unit, from.Ref(), d.name(), want)
	}
	switch {
	case now.Segment != nil:
		return differ("bytes", now.Segment.Size, from.Size)
	case now.Set != nil:
		return differ("semaphores", int64(now.Set.Len), int64(from.Len))
	}
	room := int64(math.MaxInt64)
	if now.Queue.MaxBytes >= 0 {
		room = int64(now.Queue.MaxBytes)
	}
	if int64(now.Queue.Bytes)+from.Bytes > room || int64(now.Queue.Messages+from.Messages) > room {
		return cli.Fail(cli.ExitRefused, "%s has no room for %d bytes more (\"sysvipc set %s --qbytes N\")", d.into, from.Bytes, d.into)
	}
	return nil
}

// write gives the object the contents.
func (d *restoring) write(from *archive.Object, id int) error {
	return d.each(func(r *archive.Reader, o *archive.Object) (bool, error) {
		if o.Ref() != from.Ref() {
			return true, nil
		}
		switch o.SysvKind() {
		case sysvipc.KindSegment:
			return false, r.Overwrite(d.Cmd.Context(), o, sysvipc.SegmentByID(id))
		case sysvipc.KindSemaphores:
			values, err := r.Values(o)
			if err == nil {
				err = sem.SetValues(d.Cmd.Context(), id, values, true)
			}
			return false, err
		}
		return false, r.Send(d.Cmd.Context(), o, sysvipc.QueueByID(id))
	})
}

// tellInto says what was done, and how to take it back. Messages need no way back: none was taken.
func (d *restoring) tellInto(from *archive.Object, into, outcome, saved string) error {
	if d.output == "json" {
		doc := output.StartDocument(d.Cmd.OutOrStdout(), "objects")
		doc.Add(&output.RestoredObject{Archived: listing.ArchivedObject(d.v, from), Outcome: strings.ReplaceAll(outcome, " ", "-"), RestoredAs: &into})
		return doc.End(nil)
	}
	if saved != "" && from.SysvKind() != sysvipc.KindQueue {
		fmt.Fprintf(d.Cmd.ErrOrStderr(), "saved first: \"sysvipc restore -f %s --into %s\" brings it back\n", terminal.Escape(saved), into)
	}
	_, err := fmt.Fprintf(d.Cmd.OutOrStdout(), "%s %s into %s (%s)\n", outcome, from.Ref(), into, listing.DescribeArchived(d.v, from))
	return err
}

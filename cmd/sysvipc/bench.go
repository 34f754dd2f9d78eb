package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/bench"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
)

func newBenchCommand() *cobra.Command {
	var opts bench.Options
	var quick, full bool
	var format, compare, page string
	cmd := &cobra.Command{
		Use:     "bench",
		GroupID: verb.GroupOther,
		Short:   "Measure every local way for two processes to talk, lock and share, on this machine",
		Long: `Measure System V IPC, its neighbours and package shared beside one another, between real
processes on this machine: signals, pipes, fifos, sockets, eventfd, futex, POSIX and System V
queues, semaphores and segments, file locks, and a process that is started to talk to.

Each message is written by one process and read, word by word, by the other. All measurements
take turns of a few milliseconds, so that a disturbance meets all of them. Shown are the median,
the quartiles and the 99th percentile; where the quartiles of the ratio of the two fastest span
1, there is no verdict. Modes: there and back asleep, polling, 1,000 times a second, and after
10 ms of silence; streams; to three processes; locks; start-up. Placements: both processes on
the same processor, on another, or where the kernel puts them.

--quick takes less than 25 s, --full less than five minutes. What cannot be measured here is
skipped, with the reason. Nothing is left behind, also after kill -9.`,
		Example: `  sysvipc bench --quick
  sysvipc bench --only pipe,sysv-msg,shared-chan
  sysvipc bench --full -o json >before.json
  sysvipc bench --full --compare before.json`,
		Args:              verb.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.Depth = "normal"
			switch {
			case quick:
				opts.Depth = "quick"
			case full:
				opts.Depth = "full"
			}
			return runBench(cmd, &opts, format, compare, page)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&quick, "quick", false, "less, in less than 25 s")
	f.BoolVar(&full, "full", false, "all modes and placements, in less than five minutes")
	f.StringSliceVar(&opts.Only, "only", nil, "only these mechanisms: pipe,sysv-msg")
	f.StringVar(&compare, "compare", "", "compare with the JSON of an earlier run")
	f.StringVar(&page, "page", "", "write choose.md, with pictures and figures, into this directory")
	cmd.MarkFlagsMutuallyExclusive("quick", "full")
	flags.Placeholder(cmd, "LIST", "only")
	flags.Placeholder(cmd, "FILE", "compare")
	flags.Placeholder(cmd, "DIR", "page")
	flags.Complete(cmd, "only", flags.Words(bench.Names()...))
	flags.Output(cmd, &format, "table", "json", "svg", "html")
	cmd.AddCommand(&cobra.Command{
		Use:    "end ROLE",
		Short:  "Be one of the processes that measure: a part of bench",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(_ *cobra.Command, args []string) error { return bench.End(args[0]) },
	})
	return cmd
}

func runBench(cmd *cobra.Command, opts *bench.Options, format, compare, page string) error {
	var old *bench.Result
	if compare != "" {
		var err error
		if old, err = readBench(compare); err != nil {
			return err
		}
	}
	if stderr := cmd.ErrOrStderr(); terminal.Is(stderr) {
		opts.Progress = func(part float64) { fmt.Fprintf(stderr, "\r\x1b[K%3.0f%% measured", 100*part) }
		defer fmt.Fprint(stderr, "\r\x1b[K")
	}
	r, err := bench.Run(cmd.Context(), opts)
	if err != nil {
		return err
	}
	r.Bench.Version = builtVersion().String()
	if old != nil {
		r.Compare(old)
	}
	if opts.Progress != nil {
		fmt.Fprint(cmd.ErrOrStderr(), "\r\x1b[K")
	}
	if page != "" {
		if err := r.WritePage(page); err != nil {
			return err
		}
	}
	switch format {
	case "json":
		return r.Write(cmd.OutOrStdout())
	case "svg":
		return r.SVG(cmd.OutOrStdout())
	case "html":
		return r.HTML(cmd.OutOrStdout())
	}
	width, _ := terminal.Size(cmd.OutOrStdout())
	return r.Table(cmd.OutOrStdout(), width)
}

func readBench(name string) (*bench.Result, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := bench.Read(f)
	if err != nil {
		return nil, cli.Fail(cli.ExitFailed, "--compare %s: %s", name, strings.TrimPrefix(err.Error(), "json: "))
	}
	return r, nil
}

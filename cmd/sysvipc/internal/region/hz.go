package region

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/pipe"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/shared/dynamic"
)

type hzOptions struct {
	count    int
	interval arg.Duration
	output   string
}

func newHz() *cobra.Command {
	o := hzOptions{interval: arg.Duration{D: time.Second, Given: true}}
	cmd := &cobra.Command{
		Use:   "hz REGION [NAME…]",
		Short: "Show how often values change",
		Long: `Show, every --interval until Ctrl-C, how often values have changed since the last time:
changes of a variable, what was added to a counter, messages that were sent to a chan and
received from it, and how many wait, bytes of records, messages that were published to a
topic. Without NAME, of all that count.

Looking does not disturb the region's programs. Maps and locks count nothing, and neither
do variables of at most 8 bytes.`,
		Example: `  sysvipc region hz orders
  sysvipc region hz orders in --interval 5s --count 1`,
		Args:              takes(0, -1, ""),
		ValidArgsFunction: complete,
		RunE:              inRegion(func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) }),
	}
	f := cmd.Flags()
	f.IntVar(&o.count, "count", 0, "end after N intervals")
	f.Var(&o.interval, "interval", "how long to count")
	flags.Placeholder(cmd, "N", "count")
	flags.Output(cmd, &o.output, "lines", "jsonl")
	return cmd
}

// counted is what counts how far it has come.
type counted interface {
	dynamic.Structure
	Position() (dynamic.Position, error)
}

// rate is a structure whose changes are counted.
type rate struct {
	counted
	at   time.Time
	last dynamic.Position
}

func (o *hzOptions) run(cmd *cobra.Command, args []string) error {
	switch {
	case o.count < 0 || o.count == 0 && cmd.Flags().Changed("count"):
		return cli.Usage("--count %d: at least 1", o.count)
	case o.interval.D < time.Millisecond:
		return cli.Usage("--interval %v: at least 1ms", o.interval.D)
	}
	p, err := find(args[0])
	if err != nil {
		return err
	}
	region, err := p.look()
	if err != nil {
		return err
	}
	defer region.Close()
	rates, err := ratesOf(region, args[1:])
	if err != nil {
		return err
	}
	ctx, stop := pipe.WhileRead(cmd.Context(), cmd.OutOrStdout())
	defer stop()
	ctx, forget := whileThere(ctx, p.seg)
	defer forget()
	ticker := time.NewTicker(o.interval.D)
	defer ticker.Stop()
	for n := 0; n < o.count || o.count == 0; n++ {
		select {
		case <-ctx.Done():
			return cause(ctx, ctx.Err())
		case <-ticker.C:
		}
		for _, r := range rates {
			if err := o.write(cmd, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// ratesOf takes a first look at the structures with these names, or at all that count.
func ratesOf(region *dynamic.Observer, names []string) (rates []*rate, err error) {
	all := len(names) == 0
	if all {
		structures, err := region.All()
		if err != nil {
			return nil, err
		}
		for _, s := range structures {
			names = append(names, s.Describe().Name)
		}
	}
	for _, name := range names {
		s, err := region.Find(name)
		if err != nil {
			return nil, err
		}
		c, ok := s.(counted)
		if !ok && !all {
			return nil, kindError(s, "it does not count what is done with it")
		}
		if !ok {
			continue
		}
		p, err := c.Position()
		if err != nil && all {
			continue
		}
		if err != nil {
			return nil, err
		}
		rates = append(rates, &rate{c, time.Now(), p})
	}
	if len(rates) == 0 {
		return nil, cli.Fail(cli.ExitNotFound, "nothing in this region counts how often it changes")
	}
	return rates, nil
}

func (o *hzOptions) write(cmd *cobra.Command, r *rate) error {
	p, err := r.Position()
	if err != nil {
		return err
	}
	at := time.Now()
	per := at.Sub(r.at).Seconds()
	in, out := float64(int64(p.In-r.last.In))/per, float64(int64(p.Out-r.last.Out))/per
	r.at, r.last = at, p
	var waiting *int
	text := fmt.Sprintf("%s\t%s/s", terminal.Escape(r.Describe().Name), rounded(in))
	if q, ok := r.counted.(interface{ Len() (int, error) }); ok {
		n, err := q.Len()
		if err != nil {
			return err
		}
		waiting = &n
		unit := ""
		if r.Describe().Kind == "records" {
			unit = " bytes"
		}
		text = fmt.Sprintf("%s\t%s%s/s in\t%[4]s%[3]s/s out\t%[5]d wait", terminal.Escape(r.Describe().Name), rounded(in), unit, rounded(out), n)
	}
	if o.output == "jsonl" {
		line := output.Rate{Time: now(), Name: r.Describe().Name, Kind: r.Describe().Kind, InPerSecond: tenths(in), Waiting: waiting}
		if waiting != nil {
			out = tenths(out)
			line.OutPerSecond = &out
		}
		text = strings.TrimSuffix(string(output.AppendLine(nil, &line)), "\n")
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
	return err
}

func tenths(x float64) float64 { return math.Round(x*10) / 10 }

// rounded is a rate for eyes.
func rounded(x float64) string {
	if math.Abs(x) >= 100 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.1f", x)
}

package region

import (
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/shared/dynamic"
	"github.com/sysvipc/sysvipc/shared/shape"
)

func newHeader() *cobra.Command {
	var prefix, lang string
	cmd := &cobra.Command{
		Use:   "header REGION",
		Short: "Print a C header, or a Python module, for a region",
		Long: `Print a header with which C programs take part in a region: a type for each variable and
each kind of message, with the names of the fields, and functions that load, store and
update variables and wait for their next value, add to counters, find mutexes for pthread_mutex_lock, send to and
receive from channels, load, store and delete entries of maps, and publish and subscribe to topics. What lies
where is asserted when it is compiled, and the types are compared when it runs. It needs 64-bit Linux and
glibc, and nothing to link.

The names begin with that of the region, or with --prefix. An RWMutex, Records and a Doc are for Go programs only:
there is a comment for each.

With --lang python it prints a Python module for the region, for Python 3.7 and later, without other modules: it loads,
stores, updates and watches variables, counters and maps, publishes and subscribes to topics, and sends to and
receives from channels. To take part it compiles a shared object once, with cc, and keeps it in the
user's cache; to read it needs no compiler on x86-64.`,
		Example: `  sysvipc region header orders >orders.h
  gcc -std=c11 -Wall -Wextra -o reader reader.c
  sysvipc region header orders --lang python >orders.py
  python3 -c 'import orders; print(orders.open(readonly=True).best.load().Bid)'`,
		Args:              takes(0, 0, ""),
		ValidArgsFunction: complete,
		RunE:              inRegion(func(cmd *cobra.Command, args []string) error { return runHeader(cmd, args[0], prefix, lang) }),
	}
	cmd.Flags().StringVar(&prefix, "prefix", "", "what the names begin with")
	flags.Placeholder(cmd, "WORD", "prefix")
	cmd.Flags().StringVar(&lang, "lang", "c", "what for: c or python")
	flags.Placeholder(cmd, "LANGUAGE", "lang")
	return cmd
}

func runHeader(cmd *cobra.Command, arg, prefix, lang string) error {
	if lang != "c" && lang != "python" {
		return cli.Fail(cli.ExitUsage, "--lang %q: it is c or python", lang)
	}
	p, err := find(arg)
	if err != nil {
		return err
	}
	if p.seg == nil {
		return cli.Fail(cli.ExitFailed, "%s: programs in other languages take part in regions in segments only", p.ref())
	}
	o, err := p.look()
	if err != nil {
		return err
	}
	defer o.Close()
	info, err := o.Info()
	if err != nil {
		return err
	}
	structures, err := all(&o.Region)
	if err != nil {
		return err
	}
	st, err := p.seg.Stat()
	if err != nil {
		return err
	}
	if lang == "python" {
		_, err = io.WriteString(cmd.OutOrStdout(), pythonFile(info.Name, st.Key, structures))
		return err
	}
	if prefix == "" {
		prefix = info.Name
	}
	if prefix == "" {
		prefix = "region"
	}
	_, err = io.WriteString(cmd.OutOrStdout(), cHeader(info.Name, prefix, st.Key, structures))
	return err
}

// cGeneric is what the headers of all regions have in common.
//
//go:embed header.h
var cGeneric string

// cMap and cTopic are what they have in common besides if there is a map, or a topic.
var (
	//go:embed map.h
	cMap string
	//go:embed topic.h
	cTopic string
)

// cWriter writes what is special for one region.
type cWriter struct {
	strings.Builder
	prefix string
	used   map[string]bool
}

func cHeader(name, prefix string, key sysvipc.Key, structures []*dynamic.Description) string {
	if strings.HasPrefix(cName(prefix)+"_", "sysvipc_") {
		prefix = "region " + prefix // those that all headers have in common begin so
	}
	c := &cWriter{prefix: cName(prefix), used: map[string]bool{}}
	fmt.Fprintf(c, "/* Region %s, for C programs: made by sysvipc region header. */\n\n", cText(name))
	c.WriteString(cGeneric)
	for _, more := range []struct{ kind, text string }{{"map", cMap}, {"topic", cTopic}} {
		if slices.ContainsFunc(structures, func(d *dynamic.Description) bool { return d.Kind == more.kind }) {
			c.WriteString("\n" + more.text)
		}
	}
	guard := "SYSVIPC_REGION_" + strings.ToUpper(c.prefix) + "_H"
	fmt.Fprintf(c, "\n#ifndef %s\n#define %s\n\n", guard, guard)
	c.used[c.prefix+"_attach"] = true
	fmt.Fprintf(c, "/* %s_attach attaches the region. Flags are 0, or SHM_RDONLY for a program that only reads. */\n", c.prefix)
	fmt.Fprintf(c, "static inline int %s_attach(struct sysvipc_region *r, int flags)\n{\n\treturn sysvipc_attach(r, (key_t)0x%08x, \"%s\", flags);\n}\n", c.prefix, uint32(key), cText(name))
	for _, d := range structures {
		c.structure(d)
	}
	fmt.Fprintf(c, "\n#endif /* %s */\n", guard)
	return c.String()
}

// name returns a name that nothing else in the header has, nor has with _find and the like.
func (c *cWriter) name(of string) string {
	name := c.prefix + "_" + strings.TrimPrefix(cName("_"+of), "_")
	for unique := name; ; unique += "_" {
		if taken := c.used[unique] || c.used[unique+"_find"]; !taken {
			for _, suffix := range []string{"", "_find", "_load", "_wait", "_store", "_update", "_send", "_receive", "_key", "_value", "_delete", "_publish", "_subscribe", "_next", "_blank"} {
				c.used[unique+suffix] = true
			}
			return unique
		}
	}
}

func (c *cWriter) structure(d *dynamic.Description) {
	name, text := c.name(d.Name), cText(d.Name)
	fmt.Fprintf(c, "\n/* %s %s", d.Kind, text)
	if d.Type != nil {
		fmt.Fprintf(c, ": %s", cText(typeText(d)))
	}
	fmt.Fprintf(c, " */\n")
	switch {
	case d.Kind == "mutex":
		fmt.Fprintf(c, "static inline int %s_find(const struct sysvipc_region *r, pthread_mutex_t **m)\n{\n\treturn sysvipc_mutex_find(r, \"%s\", m);\n}\n", name, text)
	case d.Kind == "counter":
		fmt.Fprintf(c, "static inline int %s_find(const struct sysvipc_region *r, struct sysvipc_counter *c)\n{\n\treturn sysvipc_counter_find(r, \"%s\", c);\n}\n", name, text)
	case d.Type == nil:
	case d.Kind == "var":
		c.variable(name, text, d)
	case d.Kind == "chan":
		typ, err := c.declare(name, d.Type)
		if err != nil {
			fmt.Fprintf(c, "/* %s */\n", cText(err.Error()))
			return
		}
		fmt.Fprintf(c, "static inline int %s_find(const struct sysvipc_region *r, struct sysvipc_chan *c)\n{\n\treturn sysvipc_chan_find(r, \"%s\", UINT64_C(0x%016x), \"%s\", sizeof(%s), c);\n}\n", name, text, d.Type.Fingerprint(), cText(d.Type.String()), typ)
		fmt.Fprintf(c, "static inline int %s_send(struct sysvipc_chan *c, const %s *message, int milliseconds)\n{\n\treturn sysvipc_send(c, message, milliseconds);\n}\n", name, typ)
		fmt.Fprintf(c, "static inline int %s_receive(struct sysvipc_chan *c, %s *message, int milliseconds)\n{\n\treturn sysvipc_receive(c, message, milliseconds);\n}\n", name, typ)
	case d.Kind == "map":
		c.mapping(name, text, d)
	case d.Kind == "topic":
		typ, err := c.declare(name, d.Type)
		if err != nil {
			fmt.Fprintf(c, "/* %s */\n", cText(err.Error()))
			return
		}
		fmt.Fprintf(c, "static inline int %s_find(struct sysvipc_region *r, struct sysvipc_topic *t)\n{\n\treturn sysvipc_topic_find(r, \"%s\", UINT64_C(0x%016x), \"%s\", sizeof(%s), t);\n}\n", name, text, d.Type.Fingerprint(), cText(d.Type.String()), typ)
		fmt.Fprintf(c, "static inline int %s_publish(const struct sysvipc_topic *t, const %s *message, int milliseconds)\n{\n\treturn sysvipc_publish(t, message, milliseconds);\n}\n", name, typ)
		fmt.Fprintf(c, "static inline int %s_subscribe(const struct sysvipc_topic *t, bool gated, struct sysvipc_subscription *s)\n{\n\treturn sysvipc_subscribe(t, gated, s);\n}\n", name)
		fmt.Fprintf(c, "static inline int %s_next(struct sysvipc_subscription *s, %s *message, int milliseconds)\n{\n\treturn sysvipc_next(s, message, milliseconds);\n}\n", name, typ)
	default:
		if _, err := c.declare(name, d.Type); err != nil {
			fmt.Fprintf(c, "/* %s */\n", cText(err.Error()))
		}
	}
}

func (c *cWriter) variable(name, text string, d *dynamic.Description) {
	typ, err := c.declare(name, d.Type)
	if err != nil {
		fmt.Fprintf(c, "/* %s */\n", cText(err.Error()))
		return
	}
	fmt.Fprintf(c, "static inline int %s_find(const struct sysvipc_region *r, struct sysvipc_thing *t)\n{\n\treturn sysvipc_var_find(r, \"%s\", UINT64_C(0x%016x), \"%s\", sizeof(%s), t);\n}\n", name, text, d.Type.Fingerprint(), cText(d.Type.String()), typ)
	fmt.Fprintf(c, "static inline int %s_load(const struct sysvipc_region *r, const struct sysvipc_thing *t, %s *value)\n{\n\treturn sysvipc_var_load(r, t, value);\n}\n", name, typ)
	fmt.Fprintf(c, "static inline int %s_wait(const struct sysvipc_region *r, const struct sysvipc_thing *t, %s *value, uint64_t *number, int milliseconds)\n{\n\treturn sysvipc_var_wait(r, t, value, number, milliseconds);\n}\n", name, typ)
	fmt.Fprintf(c, "static inline int %s_update(const struct sysvipc_region *r, const struct sysvipc_thing *t, void (*change)(void *value, void *arg), void *arg)\n{\n\t%s value;\n\treturn sysvipc_var_update(r, t, &value, change, arg);\n}\n", name, typ)
	fmt.Fprintf(c, "static inline int %s_store(const struct sysvipc_region *r, const struct sysvipc_thing *t, const %s *value)\n{\n\tstruct sysvipc_copy copy = {value, sizeof *value};\n\treturn %s_update(r, t, sysvipc_set, &copy);\n}\n", name, typ, name)
}

func (c *cWriter) mapping(name, text string, d *dynamic.Description) {
	key, err := c.declare(name+"_key", d.Key)
	value, err2 := c.declare(name+"_value", d.Type)
	if err != nil || err2 != nil {
		fmt.Fprintf(c, "/* its types cannot be said in C */\n")
		return
	}
	blank, blanks := "NULL", shape.Blank(d.Key.Size(), []shape.Field{d.Key.Root()})
	if len(blanks) > 0 {
		blank = name + "_blank"
		fmt.Fprintf(c, "static const uint32_t %s[][2] = {", blank)
		for _, run := range blanks {
			fmt.Fprintf(c, "{%d, %d}, ", run.From, run.To)
		}
		fmt.Fprintf(c, "};\n")
	}
	fmt.Fprintf(c, "static inline int %s_find(const struct sysvipc_region *r, struct sysvipc_map *m)\n{\n\treturn sysvipc_map_find(r, \"%s\", UINT64_C(0x%016x), \"%s\", sizeof(%s), sizeof(%s), %s, %d, m);\n}\n", name, text, d.Entry.Fingerprint(), cText(d.Entry.String()), key, value, blank, len(blanks))
	for _, verb := range []struct{ name, arg, give string }{
		{"load", fmt.Sprintf(", %s *value", value), ", value"}, {"store", fmt.Sprintf(", const %s *value", value), ", value"}, {"delete", "", ""},
	} {
		fmt.Fprintf(c, "static inline int %s_%s(const struct sysvipc_map *m, const %s *key%s)\n{\n\t%s k;\n\tmemcpy(&k, key, sizeof k);\n\treturn sysvipc_map_%s(m, &k%s);\n}\n", name, verb.name, key, verb.arg, key, verb.name, verb.give)
	}
}

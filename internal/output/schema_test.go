package output

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/schema")

// documents are what -o json of each verb writes: a list of this name, of these structs.
var documents = []struct {
	verb, list string
	element    any
}{
	{"ls", "objects", Object{}},
	{"ls-posix", "objects", PosixObject{}},
	{"show", "objects", ShownObject{}},
	{"who", "objects", Object{}},
	{"who-process", "processes", ProcessUse{}},
	{"explain", "objects", ExplainedObject{}},
	{"waits", "waits", Wait{}},
	{"ns", "namespaces", Namespace{}},
	{"limits", "limits", Limit{}},
	{"doctor", "findings", Finding{}},
	{"mk-shm", "objects", MadeObject{}},
	{"mk-sem", "objects", MadeObject{}},
	{"mk-msg", "objects", MadeObject{}},
	{"set", "objects", ChangedObject{}},
	{"rm", "objects", RemovedObject{}},
	{"gc", "objects", CollectedObject{}},
	{"undo", "objects", RestoredObject{}},
	{"undo-list", "files", RemovedFile{}},
	{"sem-get", "objects", Values{}},
	{"msg-recv", "messages", Message{}},
	{"msg-peek", "messages", Message{}},
	{"dump", "objects", DumpedObject{}},
	{"restore", "objects", RestoredObject{}},
	{"region-ls", "regions", Region{}},
	{"region-show", "regions", Region{}},
	{"region-get", "values", Value{}},
	{"trace", "calls", Call{}},
	{"trace-events", "events", CallEvent{}},
	{"trace-contention", "handovers", Handover{}},
	{"bench", "measurements", Measurement{}},
	{"ftok", "keys", Key{}},
	{"version", "versions", Version{}},
	{"serve-events", "events", SeenEvent{}},
	{"cluster-ls", "objects", ClusterObject{}},
	{"cluster-waits", "uses", ClusterUse{}},
	{"cluster-show", "objects", ClusterDetail{}},
	{"cluster-rm", "objects", ClusterRemoved{}},
}

// afterList are the fields that documents have besides, by [Document.Field]: values like the example.
var afterList = map[string][]struct {
	name    string
	example any
	what    string
}{
	"trace":            {{"lost", 0, "calls that found no room to be counted"}, {"seconds", 0.0, "how long calls were counted"}},
	"trace-events":     {{"lost", 0, "calls that came too quickly to be written"}},
	"trace-contention": {{"lost", 0, "calls that came too quickly to be looked at"}},
	"bench": {
		{"bench", Bench{}, "how and where it was measured"},
		{"skipped", []Skipped{}, "what could not be measured"},
		{"judgements", []Judgement{}, "what follows"},
		{"comparisons", []Comparison{}, "beside an earlier run, with --compare"},
	},
}

// lines are what -o jsonl, or --jsonl, writes.
var lines = []struct {
	verb    string
	element any
}{
	{"ls", Object{}},
	{"watch", Event{}},
	{"trace-events", CallEvent{}},
	{"msg-recv", Message{}},
	{"msg-peek", Message{}},
	{"msg-tail", Message{}},
	{"region-watch", Change{}},
	{"region-sub", Change{}},
	{"region-hz", Rate{}},
}

// The JSON Schema is made of the structs and their comments. After a change of them:
//
//	go test ./internal/output -run TestSchema -update
func TestSchema(t *testing.T) {
	t.Parallel()
	s := schema{comments: comments(t), structs: map[string]object{}}
	var defs object
	for _, d := range documents {
		properties := object{
			{"schema", object{{"const", Schema}}},
			{d.list, object{{"type", "array"}, {"items", s.ref(reflect.TypeOf(d.element))}}},
		}
		required := []string{"schema", d.list}
		for _, f := range afterList[d.verb] {
			properties.add(f.name, append(s.value(reflect.TypeOf(f.example), false), pair{"description", f.what}))
			required = append(required, f.name)
		}
		properties.add("complete", object{{"type", "boolean"}})
		properties.add("warnings", object{{"type", "array"}, {"items", object{{"type", "string"}}}})
		defs.add(d.verb, object{
			{"type", "object"}, {"properties", properties}, {"required", append(required, "complete", "warnings")},
		})
	}
	for _, l := range lines {
		line := s.object(reflect.TypeOf(l.element))
		properties := line.get("properties").(*object)
		*properties = append(object{{"schema", object{{"const", Schema}}}}, *properties...)
		line.set("required", append([]string{"schema"}, line.get("required").([]string)...))
		defs.add(l.verb+"-lines", line)
	}
	columns := s.object(reflect.TypeFor[Object]())
	columns = object{{"description", "What ls -o json writes of an object with -O."}, {"type", "object"}, {"properties", columns.get("properties")}, {"required", []string{"unknown"}}}
	defs.add("ls-columns", object{
		{"type", "object"},
		{"properties", object{
			{"schema", object{{"const", Schema}}},
			{"objects", object{{"type", "array"}, {"items", columns}}},
			{"complete", object{{"type", "boolean"}}},
			{"warnings", object{{"type", "array"}, {"items", object{{"type", "string"}}}}},
		}},
		{"required", []string{"schema", "objects", "complete", "warnings"}},
	})
	var anyOf []object
	for _, d := range defs {
		anyOf = append(anyOf, object{{"$ref", "#/$defs/" + d.name}})
	}
	for _, name := range slices.Sorted(maps.Keys(s.structs)) {
		defs.add(name, s.structs[name])
	}
	root := object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"$id", "https://github.com/sysvipc/sysvipc/docs/schema/sysvipc-2.json"},
		{"title", "What sysvipc writes with -o json, and on each line with -o jsonl and --jsonl"},
		{"description", "#/$defs/VERB is the document of a verb, and #/$defs/VERB-lines its line. Later versions of sysvipc may add fields. What is not known is null, and named in \"unknown\"; what is null and not named there does not exist."},
		{"anyOf", anyOf},
		{"$defs", defs},
	}
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	if err := out.Encode(root); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "..", "docs", "schema", "sysvipc-2.json")
	if *update {
		if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(have), text.String()); diff != "" {
		t.Errorf("%s is not current: run this test with -update (-file +structs):\n%s", file, diff)
	}
}

// schema makes schemas of structs.
type schema struct {
	comments map[string]string // of structs, and of fields as "Struct.Field"
	structs  map[string]object
}

// ref refers to the schema of a struct.
func (s *schema) ref(t reflect.Type) object {
	if _, ok := s.structs[t.Name()]; !ok {
		s.structs[t.Name()] = nil // it may have itself within
		s.structs[t.Name()] = s.object(t)
	}
	return object{{"$ref", "#/$defs/" + t.Name()}}
}

// object is the schema of a struct, with those that are embedded in it.
func (s *schema) object(t reflect.Type) object {
	properties, required := object{}, []string{}
	dependent := object{}
	var conditions []object
	s.fields(t, func(name string, value object) { properties.add(name, value) }, &required, &dependent, &conditions)
	o := object{}
	if text := s.comments[t.Name()]; text != "" {
		o.add("description", text)
	}
	o = append(o, pair{"type", "object"}, pair{"properties", &properties}, pair{"required", required})
	if len(dependent) > 0 {
		o.add("dependentRequired", dependent)
	}
	if len(conditions) > 0 {
		o.add("allOf", conditions)
	}
	return o
}

func (s *schema) fields(t reflect.Type, add func(string, object), required *[]string, dependent *object, conditions *[]object) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			always := []string{}
			s.fields(inner, add, &always, dependent, conditions)
			when, is, _ := strings.Cut(f.Tag.Get("when"), "=")
			switch {
			case when != "":
				value := any(is)
				if is == "true" {
					value = true
				}
				never := object{}
				for _, name := range always {
					never.add(name, false)
				}
				*conditions = append(*conditions, object{
					{"if", object{{"properties", object{{when, object{{"const", value}}}}}}},
					{"then", object{{"required", always}}},
					{"else", object{{"properties", never}}},
				})
			case f.Tag.Get("optional") != "":
				if len(always) > 1 {
					dependent.add(always[0], always[1:])
				}
			default:
				*required = append(*required, always...)
			}
			continue
		}
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		value := s.value(f.Type, f.Tag.Get("nullable") != "")
		if words := f.Tag.Get("enum"); words != "" {
			value = object{{"enum", strings.Split(words, ",")}}
		}
		if text := s.comments[t.Name()+"."+f.Name]; text != "" {
			value = append(object{{"description", text}}, value...)
		}
		add(name, value)
		if option != "omitempty" {
			*required = append(*required, name)
		}
	}
}

// value is the schema of a field.
func (s *schema) value(t reflect.Type, nullable bool) object {
	one := func(name string, more ...pair) object {
		if nullable {
			return append(object{{"type", []string{name, "null"}}}, more...)
		}
		return append(object{{"type", name}}, more...)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.value(t.Elem(), true)
	case reflect.Bool:
		return one("boolean")
	case reflect.Int, reflect.Int32, reflect.Int64:
		return one("integer")
	case reflect.Uint32, reflect.Uint64:
		return one("integer", pair{"minimum", 0})
	case reflect.Float64:
		return one("number")
	case reflect.String:
		return one("string")
	case reflect.Interface:
		return object{}
	case reflect.Slice:
		switch {
		case t == rawType:
			return object{}
		case t.Elem().Kind() == reflect.Uint8:
			return one("string", pair{"contentEncoding", "base64"})
		}
		return one("array", pair{"items", s.value(t.Elem(), false)})
	case reflect.Struct:
		if t == timeType {
			return one("string", pair{"format", "date-time"})
		}
		if nullable {
			return object{{"anyOf", []object{s.ref(t), {{"type", "null"}}}}}
		}
		return s.ref(t)
	}
	panic("no schema for " + t.String())
}

// comments are those of the structs of this package, in one line.
func comments(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	text := func(groups ...*ast.CommentGroup) string {
		var words []string
		for _, g := range groups {
			words = append(words, strings.Fields(g.Text())...)
		}
		return strings.Join(words, " ")
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.TYPE {
				continue
			}
			spec := gen.Specs[0].(*ast.TypeSpec)
			fields, ok := spec.Type.(*ast.StructType)
			if !ok {
				continue
			}
			all[spec.Name.Name] = strings.ReplaceAll(text(gen.Doc), "nil", "null")
			for _, f := range fields.Fields.List {
				for _, n := range f.Names {
					all[spec.Name.Name+"."+n.Name] = strings.ReplaceAll(text(f.Doc, f.Comment), "nil", "null")
				}
			}
		}
	}
	return all
}

// object is one of JSON whose fields keep their order.
type object []pair

type pair struct {
	name  string
	value any
}

func (o *object) add(name string, value any) { *o = append(*o, pair{name, value}) }

func (o object) get(name string) any {
	for _, p := range o {
		if p.name == name {
			return p.value
		}
	}
	return nil
}

func (o object) set(name string, value any) {
	for i := range o {
		if o[i].name == name {
			o[i].value = value
		}
	}
}

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, p := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(AppendString(nil, p.name))
		b.WriteByte(':')
		text, err := json.Marshal(p.value)
		if err != nil {
			return nil, err
		}
		b.Write(text)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

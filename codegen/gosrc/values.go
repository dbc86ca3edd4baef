package gosrc

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// kernelText returns a kernel as a Go expression, like %#v but without fields that are zero.
func kernelText(k any) (string, error) {
	v := reflect.ValueOf(k)
	if v.Kind() != reflect.Struct {
		return "", fmt.Errorf("%T is not a struct", k)
	}
	s, err := literal(v, true)
	if v.MethodByName("Prepare").IsValid() && err == nil {
		return s + ".Prepare()", nil // kernel.Preparer
	}
	if len(s) < 130 || err != nil {
		return s, err
	}
	// The expression is long: put fields that are structs or arrays on lines of their own.
	var b strings.Builder
	b.WriteString(v.Type().String() + "{")
	own := false
	for i := range v.NumField() {
		f := v.Field(i)
		if zero(f) {
			continue
		}
		s, err := literal(f, true)
		if err != nil {
			return "", err
		}
		line := f.Kind() == reflect.Struct || f.Kind() == reflect.Array
		if line || own {
			b.WriteByte('\n')
		}
		own = line
		b.WriteString(v.Type().Field(i).Name + ": " + s + ",")
	}
	b.WriteString("\n}")
	return b.String(), nil
}

// literal prints a value, with its type unless the context gives the type.
func literal(v reflect.Value, typed bool) (string, error) {
	t := v.Type()
	if s, ok := v.Interface().(fmt.GoStringer); ok {
		return s.GoString(), nil
	}
	var b strings.Builder
	if typed && (v.Kind() == reflect.Struct || v.Kind() == reflect.Array) {
		b.WriteString(t.String())
	}
	switch v.Kind() {
	case reflect.Struct:
		if !strings.HasPrefix(t.String(), "kernel.") {
			return "", fmt.Errorf("%v is not a type of the run time", t)
		}
		b.WriteByte('{')
		sep := ""
		for i := range t.NumField() {
			f := v.Field(i)
			if zero(f) {
				continue
			}
			if !t.Field(i).IsExported() {
				return "", fmt.Errorf("field %s of %v cannot be printed", t.Field(i).Name, t)
			}
			s, err := literal(f, true)
			if err != nil {
				return "", err
			}
			b.WriteString(sep + t.Field(i).Name + ": " + s)
			sep = ", "
		}
		b.WriteByte('}')
	case reflect.Array:
		n := v.Len()
		for n > 0 && zero(v.Index(n-1)) {
			n--
		}
		b.WriteByte('{')
		for i := range n {
			s, err := literal(v.Index(i), false)
			if err != nil {
				return "", err
			}
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(s)
		}
		b.WriteByte('}')
	case reflect.Interface: // a kernel that contains another one
		return literal(v.Elem(), true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		b.WriteString(strconv.FormatInt(v.Int(), 10))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		b.WriteString(strconv.FormatUint(v.Uint(), 10))
	case reflect.Float32, reflect.Float64:
		return number(v.Float(), t.Bits())
	case reflect.Bool:
		b.WriteString(strconv.FormatBool(v.Bool()))
	case reflect.String:
		b.WriteString(quote(v.String()))
	default:
		return "", fmt.Errorf("%v cannot be printed", t)
	}
	return b.String(), nil
}

// zero reports whether a field may be left out. Negative zero may not.
func zero(v reflect.Value) bool {
	if v.Kind() == reflect.Float32 || v.Kind() == reflect.Float64 {
		return math.Float64bits(v.Float()) == 0
	}
	return v.IsZero()
}

// number returns the shortest decimal that reads back as x. It returns an error for NaN,
// infinities and negative zero, which are not Go constants.
func number(x float64, bits int) (string, error) {
	if math.IsNaN(x) || math.IsInf(x, 0) || x == 0 && math.Signbit(x) {
		return "", fmt.Errorf("%v is not a Go constant", x)
	}
	return strconv.FormatFloat(x, 'g', -1, bits), nil
}

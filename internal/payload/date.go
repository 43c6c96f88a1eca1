package payload

import (
	"fmt"
	"math"
	"time"
)

// appendDate appends a point in time, in milliseconds since 1970, as JavaScript's JSON.stringify writes a Date: ISO
// 8601 in UTC with milliseconds, years outside of 0 to 9999 with a sign and six digits, null for what no Date can be
// (ECMAScript 2023, 21.4.1).
func appendDate(dst []byte, milliseconds float64) []byte {
	const limit = 8.64e15
	if !(math.Abs(milliseconds) <= limit) {
		return append(dst, "null"...)
	}
	t := time.UnixMilli(int64(milliseconds)).UTC()
	year := t.Year()
	switch {
	case year < 0:
		dst = fmt.Appendf(dst, `"-%06d`, -year)
	case year > 9999:
		dst = fmt.Appendf(dst, `"+%06d`, year)
	default:
		dst = fmt.Appendf(dst, `"%04d`, year)
	}
	return t.AppendFormat(dst, `-01-02T15:04:05.000Z"`)
}

package payload

// The first bytes of msgpack, with the length in the byte itself (fix) or after it.
// Source: the specification of msgpack, section "Formats".
const (
	mpFixMap   = 0x80
	mpFixArray = 0x90
	mpFixText  = 0xa0
	mpNil      = 0xc0
	mpFalse    = 0xc2
	mpTrue     = 0xc3
	mpBin8     = 0xc4
	mpBin16    = 0xc5
	mpBin32    = 0xc6
	mpExt8     = 0xc7
	mpExt16    = 0xc8
	mpExt32    = 0xc9
	mpFloat32  = 0xca
	mpFloat64  = 0xcb
	mpUint8    = 0xcc
	mpUint16   = 0xcd
	mpUint32   = 0xce
	mpUint64   = 0xcf
	mpInt8     = 0xd0
	mpInt16    = 0xd1
	mpInt32    = 0xd2
	mpInt64    = 0xd3
	mpFixExt1  = 0xd4
	mpFixExt16 = 0xd8
	mpText8    = 0xd9
	mpText16   = 0xda
	mpText32   = 0xdb
	mpArray16  = 0xdc
	mpArray32  = 0xdd
	mpMap16    = 0xde
	mpMap32    = 0xdf
	mpNegative = 0xe0
)

// mpTimestamp is the extension type of a point in time.
const mpTimestamp = -1

// protoKey is the key that @msgpack/msgpack refuses to read.
const protoKey = "__proto__"

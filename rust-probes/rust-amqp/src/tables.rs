//! Field tables and basic properties between the contract's form and the crate's.

use amqp::protocol::basic::BasicProperties;
use amqp::{Table, TableEntry};
use kit::amqp::{Field, Properties};
use kit::Failure;

/// A table as the crate takes it.
pub fn table(fields: kit::amqp::Table) -> Result<Table, Failure> {
    fields
        .into_iter()
        .map(|(name, field)| Ok((name, entry(field)?)))
        .collect()
}

fn entry(field: Field) -> Result<TableEntry, Failure> {
    Ok(match field {
        Field::Bool(value) => TableEntry::Bool(value),
        Field::I8(value) => TableEntry::ShortShortInt(value),
        Field::U8(value) => TableEntry::ShortShortUint(value),
        Field::I16(value) => TableEntry::ShortInt(value),
        Field::U16(value) => TableEntry::ShortUint(value),
        Field::I32(value) => TableEntry::LongInt(value),
        Field::U32(value) => TableEntry::LongUint(value),
        Field::I64(value) => TableEntry::LongLongInt(value),
        Field::U64(value) => TableEntry::LongLongUint(value),
        Field::F32(value) => TableEntry::Float(value),
        Field::F64(value) => TableEntry::Double(value),
        Field::Decimal(text) => decimal(&text)?,
        Field::Text(value) => TableEntry::LongString(value),
        Field::Bytes(_) => {
            let reason = "TableEntry has no byte array";
            return Err(Failure::unsupported("table-type-x", reason));
        }
        Field::List(items) => {
            TableEntry::FieldArray(items.into_iter().map(entry).collect::<Result<_, _>>()?)
        }
        Field::Timestamp(value) => TableEntry::Timestamp(value),
        Field::Table(fields) => TableEntry::FieldTable(table(fields)?),
        Field::Void => TableEntry::Void,
    })
}

fn decimal(text: &str) -> Result<TableEntry, Failure> {
    let scale = text.split_once('.').map_or(0, |(_, digits)| digits.len());
    let digits = text.replace('.', "");
    match (u8::try_from(scale), digits.parse()) {
        (Ok(scale), Ok(value)) => Ok(TableEntry::DecimalValue(scale, value)),
        _ => Err(Failure::bad_value(format!("`{text}` is no decimal"))),
    }
}

/// A table as the crate delivered it.
fn fields(table: Table) -> kit::amqp::Table {
    table
        .into_iter()
        .map(|(name, entry)| (name, field(entry)))
        .collect()
}

fn field(entry: TableEntry) -> Field {
    match entry {
        TableEntry::Bool(value) => Field::Bool(value),
        TableEntry::ShortShortInt(value) => Field::I8(value),
        TableEntry::ShortShortUint(value) => Field::U8(value),
        TableEntry::ShortInt(value) => Field::I16(value),
        TableEntry::ShortUint(value) => Field::U16(value),
        TableEntry::LongInt(value) => Field::I32(value),
        TableEntry::LongUint(value) => Field::U32(value),
        TableEntry::LongLongInt(value) => Field::I64(value),
        TableEntry::LongLongUint(value) => Field::U64(value),
        TableEntry::Float(value) => Field::F32(value),
        TableEntry::Double(value) => Field::F64(value),
        TableEntry::DecimalValue(scale, value) => Field::Decimal(decimal_text(scale, value)),
        TableEntry::LongString(value) => Field::Text(value),
        TableEntry::FieldArray(items) => Field::List(items.into_iter().map(field).collect()),
        TableEntry::Timestamp(value) => Field::Timestamp(value),
        TableEntry::FieldTable(table) => Field::Table(fields(table)),
        TableEntry::Void => Field::Void,
    }
}

fn decimal_text(scale: u8, value: u32) -> String {
    let scale = usize::from(scale);
    let digits = format!("{value:0width$}", width = scale + 1);
    match digits.split_at(digits.len() - scale) {
        (whole, "") => whole.to_owned(),
        (whole, part) => format!("{whole}.{part}"),
    }
}

/// Properties as the crate takes them.
pub fn properties(wanted: Properties) -> Result<BasicProperties, Failure> {
    Ok(BasicProperties {
        content_type: wanted.content_type,
        content_encoding: wanted.content_encoding,
        headers: wanted.headers.map(table).transpose()?,
        delivery_mode: wanted.delivery_mode,
        priority: wanted.priority,
        correlation_id: wanted.correlation_id,
        reply_to: wanted.reply_to,
        expiration: wanted.expiration,
        message_id: wanted.message_id,
        timestamp: wanted.timestamp,
        _type: wanted.r#type,
        user_id: wanted.user_id,
        app_id: wanted.app_id,
        cluster_id: None,
    })
}

/// Properties as the crate delivered them.
pub fn told(got: BasicProperties) -> Properties {
    Properties {
        content_type: got.content_type,
        content_encoding: got.content_encoding,
        headers: got.headers.map(fields),
        delivery_mode: got.delivery_mode,
        priority: got.priority,
        correlation_id: got.correlation_id,
        reply_to: got.reply_to,
        expiration: got.expiration,
        message_id: got.message_id,
        timestamp: got.timestamp,
        r#type: got._type,
        user_id: got.user_id,
        app_id: got.app_id,
    }
}

//! Field tables and basic properties between the contract's form and the crate's.

use kit::amqp::{Field, Properties};
use kit::Failure;
use lapin::types::{AMQPValue, DecimalValue, FieldTable};
use lapin::BasicProperties;

/// A table as the crate takes it.
pub fn table(fields: kit::amqp::Table) -> Result<FieldTable, Failure> {
    let mut table = FieldTable::default();
    for (name, field) in fields {
        table.insert(name.into(), value(field)?);
    }
    Ok(table)
}

fn value(field: Field) -> Result<AMQPValue, Failure> {
    Ok(match field {
        Field::Bool(value) => AMQPValue::Boolean(value),
        Field::I8(value) => AMQPValue::ShortShortInt(value),
        Field::U8(value) => AMQPValue::ShortShortUInt(value),
        Field::I16(value) => AMQPValue::ShortInt(value),
        Field::U16(value) => AMQPValue::ShortUInt(value),
        Field::I32(value) => AMQPValue::LongInt(value),
        Field::U32(value) => AMQPValue::LongUInt(value),
        Field::I64(value) => AMQPValue::LongLongInt(value),
        Field::U64(_) => {
            let reason = "AMQPValue has no unsigned integer of 64 bits";
            return Err(Failure::unsupported("table-type-L", reason));
        }
        Field::F32(value) => AMQPValue::Float(value),
        Field::F64(value) => AMQPValue::Double(value),
        Field::Decimal(text) => decimal(&text)?,
        Field::Text(value) => AMQPValue::LongString(value.into()),
        Field::Bytes(value) => AMQPValue::ByteArray(value.into()),
        Field::List(items) => {
            let items: Vec<AMQPValue> = items.into_iter().map(value).collect::<Result<_, _>>()?;
            AMQPValue::FieldArray(items.into())
        }
        Field::Timestamp(value) => AMQPValue::Timestamp(value),
        Field::Table(fields) => AMQPValue::FieldTable(table(fields)?),
        Field::Void => AMQPValue::Void,
    })
}

fn decimal(text: &str) -> Result<AMQPValue, Failure> {
    let scale = text.split_once('.').map_or(0, |(_, digits)| digits.len());
    let digits = text.replace('.', "");
    match (u8::try_from(scale), digits.parse()) {
        (Ok(scale), Ok(value)) => Ok(AMQPValue::DecimalValue(DecimalValue { scale, value })),
        _ => Err(Failure::bad_value(format!("`{text}` is no decimal"))),
    }
}

fn fields(table: &FieldTable) -> kit::amqp::Table {
    table
        .inner()
        .iter()
        .map(|(name, value)| (name.to_string(), field(value)))
        .collect()
}

fn field(value: &AMQPValue) -> Field {
    match value {
        AMQPValue::Boolean(value) => Field::Bool(*value),
        AMQPValue::ShortShortInt(value) => Field::I8(*value),
        AMQPValue::ShortShortUInt(value) => Field::U8(*value),
        AMQPValue::ShortInt(value) => Field::I16(*value),
        AMQPValue::ShortUInt(value) => Field::U16(*value),
        AMQPValue::LongInt(value) => Field::I32(*value),
        AMQPValue::LongUInt(value) => Field::U32(*value),
        AMQPValue::LongLongInt(value) => Field::I64(*value),
        AMQPValue::Float(value) => Field::F32(*value),
        AMQPValue::Double(value) => Field::F64(*value),
        AMQPValue::DecimalValue(decimal) => {
            let scale = usize::from(decimal.scale);
            let digits = format!("{:0width$}", decimal.value, width = scale + 1);
            let (whole, part) = digits.split_at(digits.len() - scale);
            Field::Decimal(if part.is_empty() {
                whole.to_owned()
            } else {
                format!("{whole}.{part}")
            })
        }
        AMQPValue::ShortString(value) => Field::Text(value.to_string()),
        AMQPValue::LongString(value) => Field::Text(value.to_string()),
        AMQPValue::FieldArray(items) => Field::List(items.as_slice().iter().map(field).collect()),
        AMQPValue::Timestamp(value) => Field::Timestamp(*value),
        AMQPValue::FieldTable(table) => Field::Table(fields(table)),
        AMQPValue::ByteArray(value) => Field::Bytes(value.as_slice().to_vec()),
        AMQPValue::Void => Field::Void,
    }
}

/// Properties as the crate takes them.
pub fn properties(wanted: Properties) -> Result<BasicProperties, Failure> {
    let mut made = BasicProperties::default();
    let text = [
        (
            wanted.content_type,
            BasicProperties::with_content_type as fn(BasicProperties, _) -> _,
        ),
        (
            wanted.content_encoding,
            BasicProperties::with_content_encoding,
        ),
        (wanted.correlation_id, BasicProperties::with_correlation_id),
        (wanted.reply_to, BasicProperties::with_reply_to),
        (wanted.expiration, BasicProperties::with_expiration),
        (wanted.message_id, BasicProperties::with_message_id),
        (wanted.r#type, BasicProperties::with_type),
        (wanted.user_id, BasicProperties::with_user_id),
        (wanted.app_id, BasicProperties::with_app_id),
    ];
    for (value, set) in text {
        if let Some(value) = value {
            made = set(made, value.into());
        }
    }
    if let Some(headers) = wanted.headers {
        made = made.with_headers(table(headers)?);
    }
    if let Some(mode) = wanted.delivery_mode {
        made = made.with_delivery_mode(mode);
    }
    if let Some(priority) = wanted.priority {
        made = made.with_priority(priority);
    }
    if let Some(timestamp) = wanted.timestamp {
        made = made.with_timestamp(timestamp);
    }
    Ok(made)
}

/// Properties as the crate delivered them.
pub fn told(got: &BasicProperties) -> Properties {
    let text = |value: &Option<lapin::types::ShortString>| value.as_ref().map(ToString::to_string);
    Properties {
        content_type: text(got.content_type()),
        content_encoding: text(got.content_encoding()),
        headers: got.headers().as_ref().map(fields),
        delivery_mode: *got.delivery_mode(),
        priority: *got.priority(),
        correlation_id: text(got.correlation_id()),
        reply_to: text(got.reply_to()),
        expiration: text(got.expiration()),
        message_id: text(got.message_id()),
        timestamp: *got.timestamp(),
        r#type: text(got.kind()),
        user_id: text(got.user_id()),
        app_id: text(got.app_id()),
    }
}

with

events as (
    select * from {{ source('consent', 'events') }}
),

final as (
    select
        seq,
        event_id,
        subject,
        contact_point,
        channel,
        controller,
        purpose,
        event,
        happened_at,
        is_time_known,
        source,
        record,
        text_version,
        text_sha256,
        detail,
        recorded_at,
        source_record,
        source_status,
        evidence_ip,
        document_ref,
        collected_by,
        recorded_load_id,
        batch,
        leaf
    from events
)

select * from final

with

events as (
    select * from {{ ref('stg_consent__events') }}
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
        text_version,
        detail,
        recorded_at,
        source_record,
        source_status,
        document_ref,
        collected_by,
        batch
    from events
)

select * from final

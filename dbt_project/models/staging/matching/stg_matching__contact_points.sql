with

contact_points as (
    select * from {{ source('matching', 'contact_points') }}
),

final as (
    select
        record_kind,
        source,
        record_id,
        channel,
        value,
        point as contact_point,
        mailbox_kind
    from contact_points
)

select * from final

with

review as (
    select * from {{ source('matching', 'review') }}
),

final as (
    select
        record_kind,
        left_source,
        left_record_id,
        right_source,
        right_record_id,
        left_id,
        right_id,
        rule,
        probability,
        spoke_for,
        spoke_against,
        reason
    from review
)

select * from final

with

review as (
    select * from {{ ref('stg_matching__review') }}
),

names as (
    select
        record_kind,
        source,
        record_id,
        record_name
    from {{ ref('stg_matching__identities') }}
),

final as (
    select
        review.record_kind,
        review.left_source,
        review.left_record_id,
        left_names.record_name as left_name,
        review.right_source,
        review.right_record_id,
        right_names.record_name as right_name,
        review.left_id,
        review.right_id,
        review.rule,
        review.probability,
        review.spoke_for,
        review.spoke_against,
        review.reason
    from review
    left join names as left_names
        on
            review.record_kind = left_names.record_kind
            and review.left_source = left_names.source
            and review.left_record_id = left_names.record_id
    left join names as right_names
        on
            review.record_kind = right_names.record_kind
            and review.right_source = right_names.source
            and review.right_record_id = right_names.record_id
)

select * from final

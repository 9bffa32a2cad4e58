with

identities as (
    select * from {{ ref('stg_matching__identities') }}
),

final as (
    select
        record_kind,
        source,
        record_id,
        record_name,
        customer_id,
        customer_rule,
        entity_id,
        rule,
        probability,
        linked_source,
        linked_record_id,
        steps,
        chain,
        spoke_for,
        spoke_against,
        weights
    from identities
)

select * from final

with

identities as (
    select * from {{ source('matching', 'identities') }}
),

final as (
    select
        record_kind,
        source,
        record_id,
        record_name,
        entity_id,
        customer_id,
        customer_rule,
        rule,
        probability,
        linked_source,
        linked_record_id,
        cast(steps as integer) as steps,
        chain,
        spoke_for,
        spoke_against,
        weights
    from identities
)

select * from final

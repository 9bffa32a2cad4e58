with

rules as (
    select
        {{ rule_value('dormant_after_intervals') }} as dormant_after_intervals,
        {{ rule_value('former_after_intervals') }} as former_after_intervals
    from {{ ref('lifecycle_rules') }}
),

final as (
    select * from rules
    where not coalesce(dormant_after_intervals < former_after_intervals, false)
)

select * from final

with

recipient_versions as (
    select * from {{ ref('stg_rapidmail__recipient_versions') }}
),

final as (
    select * from recipient_versions
    where is_current
)

select * from final

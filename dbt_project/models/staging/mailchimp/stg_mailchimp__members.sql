with

member_versions as (
    select * from {{ ref('stg_mailchimp__member_versions') }}
),

final as (
    select * from member_versions
    where is_current
)

select * from final
